#:project ../checks/Checks.csproj

// # Exercise 6, solved: VeRA
//
//   dotnet run docs/lessons/solutions/06-five-lines.cs -- --check

using PeftCore.Lessons;
using PeftCore.Ops;
using PeftCore.Tensors;

return LoraCheck.RunVera(args, Vera);

static Tensor Vera(Tensor x, Tensor w, Tensor a, Tensor b, Tensor d, Tensor scale) =>
    x.Linear(w) + x.Linear(a).MultiplyRow(d).Linear(b).MultiplyRow(scale);
