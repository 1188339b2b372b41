#:project ../checks/Checks.csproj

// # Exercise 5, solved: two layouts
//
//   dotnet run docs/lessons/solutions/05-merging.cs -- --check

using PeftCore.Lessons;

return WeightChecks.RunMerge(args, Merge);

static float[,] Merge(float[,] w, float[,] a, float[,] b, float s, bool transposed)
{
    var merged = (float[,])w.Clone();
    for (int o = 0; o < b.GetLength(0); o++)
    {
        for (int i = 0; i < a.GetLength(1); i++)
        {
            float delta = 0;
            for (int k = 0; k < a.GetLength(0); k++)
            {
                delta += b[o, k] * a[k, i];
            }
            merged[transposed ? i : o, transposed ? o : i] += s * delta;
        }
    }
    return merged;
}
