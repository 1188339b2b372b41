#:project ../checks/Checks.csproj

// # Exercise 13, solved: a kernel for (IA)³
//
//   dotnet run docs/lessons/solutions/13-kernel.cs -- --check

using ILGPU;
using PeftCore.Lessons;

return KernelCheck.Run(args, Kernels.Scale);

public static class Kernels
{
    public static void Scale(Index2D at, int columns, ArrayView<float> l, ArrayView<float> y) => y[at.X * columns + at.Y] *= l[at.Y];
}
