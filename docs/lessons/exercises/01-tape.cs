#:project ../checks/Checks.csproj

// # Exercise 1: the backward of a softmax
//
//   dotnet run docs/lessons/exercises/01-tape.cs -- --check
//
// A softmax turns scores into probabilities: yᵢ = e^xᵢ / Σⱼ e^xⱼ. Every output depends on every input, because of the sum:
//
//     ∂yᵢ/∂xⱼ = yᵢ·(δᵢⱼ − yⱼ)         δᵢⱼ is 1 for i = j, else 0
//
// Given y and the gradient dy of the loss with respect to y, compute dx. It takes one sum over all elements and one product for each; no
// matrix is needed.

using PeftCore.Lessons;

return TapeCheck.Run(args, Backward);

static double[] Backward(double[] y, double[] dy) =>
    throw new NotImplementedException("compute dx from y and dy");
