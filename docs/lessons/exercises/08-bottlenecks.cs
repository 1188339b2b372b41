#:project ../checks/Checks.csproj

// # Exercise 8: a Pfeiffer adapter
//
//   dotnet run docs/lessons/exercises/08-bottlenecks.cs -- --check
//
// x is the residual stream and h what the feed-forward network adds to it. Write y = x + h + f(x + h) with f(u) = W₂·φ(W₁·u + b₁) + b₂.
// `u.Linear(w, b)` is u·wᵀ + b.

using PeftCore.Lessons;
using PeftCore.Ops;
using PeftCore.Tensors;

return ModelChecks.RunBottleneck(args, Pfeiffer);

static Tensor Pfeiffer(Tensor x, Tensor h, Tensor w1, Tensor b1, Tensor w2, Tensor b2, Func<Tensor, Tensor> phi) =>
    throw new NotImplementedException("return y");
