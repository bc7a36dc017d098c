-- Murphi twin of the scenario rmp-lock, for rumur: its symmetry reduction is the oracle of the orbit counts (one thread; more count wrong).
const N: 4;
const R: 3;
type pid: scalarset(N);
type page: scalarset(2);
type st: enum {idle, locked, rd, wr, fin};
var s: array[pid] of st;
var r: array[pid] of 0..R;
var t: array[pid] of 0..(N*R);
var p: array[pid] of page;
var held: array[page] of boolean;
var ver: array[page] of 0..(N*R);
startstate begin
  for i: pid do s[i] := idle; r[i] := 0; t[i] := 0; undefine p[i]; end;
  for g: page do held[g] := false; ver[g] := 0; end;
end;
ruleset i: pid; g: page do
rule "acquire" s[i] = idle & r[i] < R & !held[g] ==> begin held[g] := true; p[i] := g; s[i] := locked; end;
end;
ruleset i: pid do
rule "read" s[i] = locked ==> begin t[i] := ver[p[i]]; s[i] := rd; end;
rule "write" s[i] = rd ==> begin ver[p[i]] := t[i] + 1; s[i] := wr; t[i] := 0; end;
rule "release" s[i] = wr ==> begin held[p[i]] := false; r[i] := r[i] + 1; undefine p[i]; s[i] := idle; end;
rule "finish" s[i] = idle & r[i] = R ==> begin s[i] := fin; end;
end;
invariant "excl" forall i: pid do forall j: pid do (i != j & s[i] != idle & s[i] != fin & s[j] != idle & s[j] != fin) -> (isundefined(p[i]) | isundefined(p[j]) | p[i] != p[j]) end end;
