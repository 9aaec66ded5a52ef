package netcfg

// Unquote is unquote, for the tests of the corpora.
var Unquote = unquote
