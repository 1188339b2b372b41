using ILGPU.Runtime.Cuda;

namespace PeftCore.Kernels.Ilgpu;

internal readonly struct Flash64 : IFlashDim
{
    public static int Dim => 64;

    public static void Begin() => CudaAsm.Emit("peft.flash.64;");

    public static void ScoresS(int rows, int columns) => CudaAsm.Emit("peft.scores.64.s %0, %1;", rows, columns);

    public static void ScoresG(int rows, int columns) => CudaAsm.Emit("peft.scores.64.g %0, %1;", rows, columns);

    public static void Softmax(int column, int from0, int to0, int from1, int to1, float scaleLog2) =>
        CudaAsm.Emit("peft.softmax.64 %0, %1, %2, %3, %4, %5;", column, from0, to0, from1, to1, scaleLog2);

    public static void CombineSO(int tile) => CudaAsm.Emit("peft.combine.64.s.o %0;", tile);

    public static void CombineSV(int tile) => CudaAsm.Emit("peft.combine.64.s.v %0;", tile);

    public static void CombineGO(int tile) => CudaAsm.Emit("peft.combine.64.g.o %0;", tile);

    public static void Output(long row0, long row1, long lse0, long lse1, int has0, int has1, int lead) =>
        CudaAsm.Emit("peft.output.64 %0, %1, %2, %3, %4, %5, %6;", row0, row1, lse0, lse1, has0, has1, lead);

    public static void GradientO(long row0, long row1, int has0, int has1, int accumulate) =>
        CudaAsm.Emit("peft.gradient.64.o %0, %1, %2, %3, %4;", row0, row1, has0, has1, accumulate);

    public static void GradientV(long row0, long row1, int has0, int has1, int accumulate) =>
        CudaAsm.Emit("peft.gradient.64.v %0, %1, %2, %3, %4;", row0, row1, has0, has1, accumulate);
}

internal readonly struct Flash128 : IFlashDim
{
    public static int Dim => 128;

    public static void Begin() => CudaAsm.Emit("peft.flash.128;");

    public static void ScoresS(int rows, int columns) => CudaAsm.Emit("peft.scores.128.s %0, %1;", rows, columns);

    public static void ScoresG(int rows, int columns) => CudaAsm.Emit("peft.scores.128.g %0, %1;", rows, columns);

    public static void Softmax(int column, int from0, int to0, int from1, int to1, float scaleLog2) =>
        CudaAsm.Emit("peft.softmax.128 %0, %1, %2, %3, %4, %5;", column, from0, to0, from1, to1, scaleLog2);

    public static void CombineSO(int tile) => CudaAsm.Emit("peft.combine.128.s.o %0;", tile);

    public static void CombineSV(int tile) => CudaAsm.Emit("peft.combine.128.s.v %0;", tile);

    public static void CombineGO(int tile) => CudaAsm.Emit("peft.combine.128.g.o %0;", tile);

    public static void Output(long row0, long row1, long lse0, long lse1, int has0, int has1, int lead) =>
        CudaAsm.Emit("peft.output.128 %0, %1, %2, %3, %4, %5, %6;", row0, row1, lse0, lse1, has0, has1, lead);

    public static void GradientO(long row0, long row1, int has0, int has1, int accumulate) =>
        CudaAsm.Emit("peft.gradient.128.o %0, %1, %2, %3, %4;", row0, row1, has0, has1, accumulate);

    public static void GradientV(long row0, long row1, int has0, int has1, int accumulate) =>
        CudaAsm.Emit("peft.gradient.128.v %0, %1, %2, %3, %4;", row0, row1, has0, has1, accumulate);
}
