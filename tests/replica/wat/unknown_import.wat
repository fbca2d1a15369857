(module (import "env" "launch_missiles" (func (param i32))) (memory 1))
