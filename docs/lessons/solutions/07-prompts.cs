#:project ../checks/Checks.csproj

// # Exercise 7, solved: reading a prompt
//
//   dotnet run docs/lessons/solutions/07-prompts.cs -- --check

using PeftCore.Lessons;
using PeftCore.Ops;
using PeftCore.Tensors;

return ModelChecks.RunPrompt(args, WithPrompt);

static (Tensor Embeddings, int[] Positions) WithPrompt(Tensor table, Tensor prompt, int[] ids) =>
    (Tensor.Concat(prompt, table.Rows(ids)), [.. Enumerable.Range(0, prompt.Shape[0] + ids.Length)]);
