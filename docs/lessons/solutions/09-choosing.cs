#:project ../checks/Checks.csproj

// # Exercise 9, solved: choosing by SNIP
//
//   dotnet run docs/lessons/solutions/09-choosing.cs -- --check

using PeftCore.Lessons;

return WeightChecks.RunChoice(args, Choose);

static int[] Choose(float[] w, float[][] gradients, int count)
{
    float Score(int i) => Math.Abs(w[i] * gradients.Sum(g => g[i]));
    return [.. Enumerable.Range(0, w.Length).OrderByDescending(Score).Take(count).Order()];
}
