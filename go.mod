module github.com/ldlab/ldlab

go 1.26
