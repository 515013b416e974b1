package main

import (
	"fmt"
	"os"
	"time"
)

// pipes connect a probe's child: one for its job, one for all it says, one for
// its result.
type pipes struct {
	job, said, result *os.File // our ends
	child             []*os.File
}

func newPipes() (p *pipes, err error) {
	p = &pipes{}
	defer func() {
		if err != nil {
			p.closeChild()
			p.close()
			err = fmt.Errorf("connect child: %w", err)
		}
	}()
	var jobR, saidW, resultW *os.File
	if jobR, p.job, err = os.Pipe(); err != nil {
		return nil, err
	}
	p.child = append(p.child, jobR)
	if p.said, saidW, err = os.Pipe(); err != nil {
		return nil, err
	}
	p.child = append(p.child, saidW)
	if p.result, resultW, err = os.Pipe(); err != nil {
		return nil, err
	}
	p.child = append(p.child, resultW)
	return p, nil
}

// childFiles are the child's descriptors 0 to 3.
func (p *pipes) childFiles() []uintptr {
	job, said, result := p.child[0].Fd(), p.child[1].Fd(), p.child[2].Fd()
	return []uintptr{job, said, said, result}
}

func (p *pipes) closeChild() {
	for _, f := range p.child {
		f.Close()
	}
}

// expire makes reads of our ends end by then.
func (p *pipes) expire(at time.Time) {
	_ = p.said.SetReadDeadline(at)
	_ = p.result.SetReadDeadline(at)
}

func (p *pipes) close() {
	for _, f := range []*os.File{p.job, p.said, p.result} {
		if f != nil {
			f.Close()
		}
	}
}
