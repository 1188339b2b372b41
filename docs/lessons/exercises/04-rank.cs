#:project ../checks/Checks.csproj

// # Exercise 4: how much of the rank is used
//
//   dotnet run docs/lessons/exercises/04-rank.cs -- --check
//
// A LoRA was trained with some rank, and ΔW has these singular values, in any order. How many of the largest hold the given share of Σ σ²?
// That many would have been enough: the best approximation of that rank has the relative error √(1 − share).

using PeftCore.Lessons;

return WeightChecks.RunRank(args, UsedRank);

static int UsedRank(double[] sigma, double share) =>
    throw new NotImplementedException("return the smallest number of singular values");
