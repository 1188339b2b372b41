#:project ../checks/Checks.csproj

// # Exercise 12, solved: joining two pieces of a softmax
//
//   dotnet run docs/lessons/solutions/12-attention.cs -- --check

using PeftCore.Lessons;

return AttentionCheck.Run(args, Join);

static SoftmaxPiece Join(SoftmaxPiece a, SoftmaxPiece b)
{
    double m = Math.Max(a.M, b.M), ofA = Math.Exp(a.M - m), ofB = Math.Exp(b.M - m);
    return new(m, ofA * a.L + ofB * b.L, [.. a.O.Zip(b.O, (x, y) => ofA * x + ofB * y)]);
}
