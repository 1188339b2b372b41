#:project ../checks/Checks.csproj

// # Exercise 7: reading a prompt
//
//   dotnet run docs/lessons/exercises/07-prompts.cs -- --check
//
// Prompt tuning puts trained rows P (n, hidden) before the embeddings of the tokens. Return the embeddings that the model reads, (n + T,
// hidden), and the positions, which count the virtual tokens. `table.Rows(ids)` looks embeddings up, `Tensor.Concat(a, b)` puts rows below
// rows.

using PeftCore.Lessons;
using PeftCore.Ops;
using PeftCore.Tensors;

return ModelChecks.RunPrompt(args, WithPrompt);

static (Tensor Embeddings, int[] Positions) WithPrompt(Tensor table, Tensor prompt, int[] ids) =>
    throw new NotImplementedException("return the embeddings and the positions");
