#:project ../checks/Checks.csproj

// # Exercise 4, solved: how much of the rank is used
//
//   dotnet run docs/lessons/solutions/04-rank.cs -- --check

using PeftCore.Lessons;

return WeightChecks.RunRank(args, UsedRank);

static int UsedRank(double[] sigma, double share)
{
    double total = sigma.Sum(s => s * s), held = 0;
    int rank = 0;
    foreach (double s in sigma.OrderDescending())
    {
        if (held >= share * total)
        {
            break;
        }
        held += s * s;
        rank++;
    }
    return rank;
}
