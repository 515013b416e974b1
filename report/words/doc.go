// Package words has what all views share: how text from a guest is escaped, and
// how a matrix is described in sentences and numbers.
package words
