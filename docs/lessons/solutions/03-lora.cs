#:project ../checks/Checks.csproj

// # Exercise 3, solved: LoRA on a layer with a bias
//
//   dotnet run docs/lessons/solutions/03-lora.cs -- --check

using PeftCore.Lessons;
using PeftCore.Ops;
using PeftCore.Tensors;

return LoraCheck.Run(args, Lora);

static Tensor Lora(Tensor x, Tensor w, Tensor bias, Tensor a, Tensor b, float s) =>
    x.Linear(w, bias) + s * x.Linear(a).Linear(b);
