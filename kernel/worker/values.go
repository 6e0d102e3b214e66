package worker

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime/debug"
	"time"

	"fovea/kernel/checkpoint"
	"fovea/kernel/worker/message"
	"fovea/kernel/worker/rt"
	"fovea/kernel/worker/view"
)

// values does what concerns the variables of cells, between cells.
func (j *job) values() (r message.Response) {
	// Values that a goroutine writes meanwhile can be torn: what reads them panics instead of ending the process.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			r.Error = fmt.Sprint(fault)
		}
	}()
	switch j.request.Op {
	case message.Look:
		r.Busy = rt.Busy()
		for _, p := range j.request.Values {
			var v view.Value
			if pointer := rt.FindVariable(p.Cell, p.Name); pointer != nil {
				v = view.Of(pointer, r.Busy)
			}
			r.Views = append(r.Views, v)
		}
	case message.Save:
		j.save(&r)
	case message.Restore:
		file, err := os.Open(j.request.Path)
		if err == nil {
			defer file.Close()
			r.Entries, err = checkpoint.Read(file, j.variables(), j.findType)
		}
		if err != nil {
			r.Error = err.Error()
		}
	}
	return r
}

// save writes the file of a checkpoint. Nobody has asked for one with limits, so it waits until nothing else writes the values.
func (j *job) save(r *message.Response) {
	r.Busy = rt.Busy()
	o := checkpoint.Options{Types: j.findType, Stop: j.isStopped}
	if r.Busy {
		o.NoMaps = "a goroutine of a cell runs and could be writing it"
	}
	if l := j.request.Limits; l != nil {
		if r.Busy {
			return
		}
		o.Automatic, o.Limit, o.Total, o.Deadline = true, l.Value, l.Total, time.Now().Add(l.Time)
	}
	file, err := os.OpenFile(j.request.Path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		r.Entries, err = checkpoint.Write(file, j.variables(), o)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		r.Error, r.Stopped = err.Error(), errors.Is(err, checkpoint.ErrStopped)
	}
}

func (j *job) isStopped() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.stopped
}

// variables finds those that the request names. One that is not there is a nil pointer's, which nothing can be kept of.
func (j *job) variables() (list []checkpoint.Variable) {
	for _, p := range j.request.Values {
		pointer := rt.FindVariable(p.Cell, p.Name)
		if pointer == nil {
			pointer = new(func())
		}
		list = append(list, checkpoint.Variable{Name: p.Name, Pointer: pointer})
	}
	return list
}

func (j *job) findType(name string) reflect.Type { return rt.FindType(j.request.Types[name], name) }
