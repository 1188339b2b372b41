#:project ../checks/Checks.csproj

// # Exercise 3: LoRA on a layer with a bias
//
//   dotnet run docs/lessons/exercises/03-lora.cs -- --check
//
// Write y = x·Wᵀ + b + s·(x·Aᵀ)·Bᵀ with plain operations. `x.Linear(w, bias)` is x·wᵀ + bias; tensors have + and *. Do not form B·A: with
// r = 2 that would already be more work.

using PeftCore.Lessons;
using PeftCore.Ops;
using PeftCore.Tensors;

return LoraCheck.Run(args, Lora);

static Tensor Lora(Tensor x, Tensor w, Tensor bias, Tensor a, Tensor b, float s) =>
    throw new NotImplementedException("return y");
