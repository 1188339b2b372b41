#:project ../checks/Checks.csproj

// # Exercise 10: INT8 by rows
//
//   dotnet run docs/lessons/exercises/10-quantised.cs -- --check
//
// LLM.int8() stores a row of a weight as signed bytes and one scale, value ≈ code·scale. The largest magnitude of the row has the code 127
// or −127; the others are rounded to the nearest code. A row may be all zeros.

using PeftCore.Lessons;

return WeightChecks.RunCodes(args, Quantise);

static (sbyte[] Codes, float Scale) Quantise(float[] row) =>
    throw new NotImplementedException("return codes and scale");
