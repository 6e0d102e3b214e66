package session

// WriteModule makes, below dir, the module that Open would make for the cells of o.Notebook, and returns its folder.
// Nothing is fetched.
func WriteModule(o Options, dir string) (string, error) {
	m, err := newCellModule(&o, dir)
	if err != nil {
		return "", err
	}
	return m.dir, nil
}
