package vport

import "encoding/binary"

// A Message can be sent. Fields passes over its fields one by one, by the
// functions of this file, in one order for both directions.
//
// Messages are not left to an encoder that looks at types: all of its code is
// new to an emulated guest, and takes it longer than the probe that is
// reported.
type Message interface{ Fields(*Codec) }

// A Codec appends fields to a message or takes them from one.
type Codec struct {
	buf     []byte // what is written so far, or what is left to be read
	reading bool
	bad     bool // reading: it is no such message
}

// encode appends a message.
func encode(buf []byte, msg Message) []byte {
	c := Codec{buf: buf}
	msg.Fields(&c)
	return c.buf
}

// decode reports whether the bytes are such a message, and nothing else.
func decode(buf []byte, msg Message) bool {
	c := Codec{buf: buf, reading: true}
	msg.Fields(&c)
	return !c.bad && len(c.buf) == 0
}

// Reading says that fields are taken from a message, not appended.
func (c *Codec) Reading() bool { return c.reading }

// Demand makes it no such message where ok is false.
func (c *Codec) Demand(ok bool) { c.bad = c.bad || !ok }

// length passes over a length, of as many bytes, or things of a byte at least.
func (c *Codec) length(n int) int {
	v := c.number(uint64(n))
	if c.reading {
		if c.Demand(v <= uint64(len(c.buf))); c.bad {
			return 0
		}
	}
	return int(v)
}

// Number passes over a number; over a negative one, in ten bytes.
func Number[T ~int | ~int64 | ~uint64 | ~uint8](c *Codec, field *T) {
	v := c.number(uint64(*field))
	*field = T(v)
	c.Demand(uint64(T(v)) == v)
}

// number is Number for all types: one function is less code than one a type.
func (c *Codec) number(v uint64) uint64 {
	if !c.reading {
		c.buf = binary.AppendUvarint(c.buf, v)
		return v
	}
	v, size := binary.Uvarint(c.buf)
	if c.Demand(size > 0); c.bad {
		return 0
	}
	c.buf = c.buf[size:]
	return v
}

// Bool passes over a truth.
func Bool(c *Codec, field *bool) {
	var v uint8
	if *field {
		v = 1
	}
	Number(c, &v)
	c.Demand(v <= 1)
	*field = v == 1
}

// Text passes over a text of any bytes.
func Text[T ~string](c *Codec, field *T) {
	n := c.length(len(*field))
	if !c.reading {
		c.buf = append(c.buf, *field...)
		return
	}
	*field = T(c.buf[:n])
	c.buf = c.buf[n:]
}

// Bytes passes over bytes; none come back as nil.
func Bytes(c *Codec, field *[]byte) {
	text := string(*field)
	if Text(c, &text); c.reading {
		*field = append([]byte(nil), text...)
	}
}

// List passes over a list; an empty one comes back as nil.
func List[T any](c *Codec, field *[]T, each func(*Codec, *T)) {
	n := c.length(len(*field))
	if !c.reading {
		for i := range *field {
			each(c, &(*field)[i])
		}
		return
	}
	*field = nil
	for range n {
		var element T
		if each(c, &element); c.bad {
			return // and no room was made for what did not come
		}
		*field = append(*field, element)
	}
}

// Present passes over what a pointer is to, which must be there.
func Present[T any](c *Codec, field **T, fields func(*Codec, *T)) {
	if c.reading {
		*field = new(T)
	}
	fields(c, *field)
}
