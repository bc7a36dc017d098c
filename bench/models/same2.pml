/* Promela twin of the scenario rmp-lock: N vCPUs, two page locks, three rounds each; the same states and transitions, and one more of each before the first. */
#define R 3
#ifndef N
#define N 4
#endif
bit held[2]; byte ver[2]; byte pg[N];
active [N] proctype v() { byte r=0; byte t=0;
 do
 :: atomic { r<R && !held[0] -> d_step{ held[0]=1; pg[_pid]=1; } } -> atomic{t=ver[pg[_pid]-1]}; d_step{ver[pg[_pid]-1]=t+1; t=0}; d_step{held[pg[_pid]-1]=0; pg[_pid]=0; r++}
 :: atomic { r<R && !held[1] -> d_step{ held[1]=1; pg[_pid]=2; } } -> atomic{t=ver[pg[_pid]-1]}; d_step{ver[pg[_pid]-1]=t+1; t=0}; d_step{held[pg[_pid]-1]=0; pg[_pid]=0; r++}
 :: r==R -> break
 od;
end_fin: false }
