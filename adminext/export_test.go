package adminext

// Next is what a status says is to do.
var Next = next
