#:project ../checks/Checks.csproj

// # Exercise 10, solved: INT8 by rows
//
//   dotnet run docs/lessons/solutions/10-quantised.cs -- --check

using PeftCore.Lessons;

return WeightChecks.RunCodes(args, Quantise);

static (sbyte[] Codes, float Scale) Quantise(float[] row)
{
    float scale = row.Max(Math.Abs) / 127;
    return (scale == 0 ? new sbyte[row.Length] : [.. row.Select(value => (sbyte)Math.Round(value / scale))], scale);
}
