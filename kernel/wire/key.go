package wire

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// A Key is a public or a secret key of Curve25519. Its text form is Z85, as connection files have it.
type Key [32]byte

// A KeyPair is a secret key and the public key that belongs to it.
type KeyPair struct{ Public, Secret Key }

// NewKeyPair makes a pair.
func NewKeyPair() (KeyPair, error) {
	secret, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return KeyPair{}, err
	}
	return KeyPair{Public: Key(secret.PublicKey().Bytes()), Secret: Key(secret.Bytes())}, nil
}

// check says whether the two keys belong together. A pair that does not would let nobody in, without a word.
func (p KeyPair) check() error {
	secret, err := ecdh.X25519().NewPrivateKey(p.Secret[:])
	if err != nil {
		return err
	}
	if Key(secret.PublicKey().Bytes()) != p.Public {
		return errors.New("curve_publickey is not the public key of curve_secretkey")
	}
	return nil
}

// z85 are the 85 digits of ZeroMQ's encoding (RFC 32): four bytes become five digits, the first the most significant.
const z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

// String is the key in Z85. Do not log that of a secret key.
func (k Key) String() string {
	var text [40]byte
	for i := range 8 {
		n := binary.BigEndian.Uint32(k[4*i:])
		for j := 4; j >= 0; j-- {
			text[5*i+j] = z85[n%85]
			n /= 85
		}
	}
	return string(text[:])
}

// ParseKey reads a key from Z85.
func ParseKey(text string) (k Key, err error) {
	if len(text) != 40 {
		return Key{}, fmt.Errorf("a key has 40 characters in Z85, this one %d", len(text))
	}
	for i := range 8 {
		var n uint64
		for _, c := range []byte(text[5*i : 5*i+5]) {
			digit := strings.IndexByte(z85, c)
			if digit < 0 {
				return Key{}, errors.New("a key with a character that Z85 does not have")
			}
			n = 85*n + uint64(digit)
		}
		if n > 1<<32-1 {
			return Key{}, errors.New("a key with digits of Z85 beyond 32 bits")
		}
		binary.BigEndian.PutUint32(k[4*i:], uint32(n))
	}
	return k, nil
}
