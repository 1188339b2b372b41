#:project ../checks/Checks.csproj

// # Exercise 9: choosing by SNIP
//
//   dotnet run docs/lessons/exercises/09-choosing.cs -- --check
//
// The score of an entry is |w·Σ g|, with its gradients g summed over the batches: what removing the entry would change, to first order.
// Return the indices of the `count` entries with the highest scores, in ascending order. gradients[b][i] is the gradient of entry i in
// batch b.

using PeftCore.Lessons;

return WeightChecks.RunChoice(args, Choose);

static int[] Choose(float[] w, float[][] gradients, int count) =>
    throw new NotImplementedException("return the chosen indices");
