#:project ../checks/Checks.csproj

// # Exercise 11, solved: forgetting over several tasks
//
//   dotnet run docs/lessons/solutions/11-forgetting.cs -- --check

using PeftCore.Lessons;

return ForgettingCheck.Run(args, Forgetting);

static double Forgetting(double[][] losses)
{
    int last = losses.Length - 1;
    return Enumerable.Range(0, last).Average(j => losses[last][j] - Enumerable.Range(j, last - j).Min(i => losses[i][j]));
}
