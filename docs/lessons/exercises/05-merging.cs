#:project ../checks/Checks.csproj

// # Exercise 5: two layouts
//
//   dotnet run docs/lessons/exercises/05-merging.cs -- --check
//
// Most models store the weight of a linear layer as (out, in). GPT-2 stores its transpose, (in, out). Hugging Face PEFT calls that
// `fan_in_fan_out`. A is (r, in) and B (out, r) in both cases. Return W + s·B·A in the layout of W.

using PeftCore.Lessons;

return WeightChecks.RunMerge(args, Merge);

static float[,] Merge(float[,] w, float[,] a, float[,] b, float s, bool transposed) =>
    throw new NotImplementedException("return the merged weight");
