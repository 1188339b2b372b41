#:project ../checks/Checks.csproj

// # Exercise 8, solved: a Pfeiffer adapter
//
//   dotnet run docs/lessons/solutions/08-bottlenecks.cs -- --check

using PeftCore.Lessons;
using PeftCore.Ops;
using PeftCore.Tensors;

return ModelChecks.RunBottleneck(args, Pfeiffer);

static Tensor Pfeiffer(Tensor x, Tensor h, Tensor w1, Tensor b1, Tensor w2, Tensor b2, Func<Tensor, Tensor> phi)
{
    var u = x + h;
    return u + phi(u.Linear(w1, b1)).Linear(w2, b2);
}
