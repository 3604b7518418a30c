"""SIP trunks: real callers over trunks with names, and a softphone that nobody here wrote."""
