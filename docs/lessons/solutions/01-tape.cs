#:project ../checks/Checks.csproj

// # Exercise 1, solved: the backward of a softmax
//
//   dotnet run docs/lessons/solutions/01-tape.cs -- --check

using PeftCore.Lessons;

return TapeCheck.Run(args, Backward);

static double[] Backward(double[] y, double[] dy)
{
    double sum = y.Zip(dy, (p, d) => p * d).Sum(); // Σ dy∘y
    return [.. y.Zip(dy, (p, d) => p * (d - sum))];
}
