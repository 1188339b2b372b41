#:project ../checks/Checks.csproj

// # Exercise 13: a kernel for (IA)³
//
//   dotnet run docs/lessons/exercises/13-kernel.cs -- --check
//
// y[t, o] ← y[t, o]·l[o]. There is one thread for each (t, o): at.X is t and at.Y is o. y has one dimension; (t, o) is at t·columns + o.
// The kernel below does nothing yet.

using ILGPU;
using PeftCore.Lessons;

return KernelCheck.Run(args, Kernels.Scale);

public static class Kernels
{
    public static void Scale(Index2D at, int columns, ArrayView<float> l, ArrayView<float> y)
    {
    }
}
