#:project ../checks/Checks.csproj

// # Exercise 6: VeRA
//
//   dotnet run docs/lessons/exercises/06-five-lines.cs -- --check
//
// Write y = x·Wᵀ + scale∘((d∘(x·Aᵀ))·Bᵀ). d has r numbers and multiplies the columns of x·Aᵀ, scale has one number for each output and
// multiplies the update alone. `x.MultiplyRow(v)` multiplies each row of x by v element by element.

using PeftCore.Lessons;
using PeftCore.Ops;
using PeftCore.Tensors;

return LoraCheck.RunVera(args, Vera);

static Tensor Vera(Tensor x, Tensor w, Tensor a, Tensor b, Tensor d, Tensor scale) =>
    throw new NotImplementedException("return y");
