using ILGPU.Runtime.Cuda;

namespace PeftCore.Kernels.Ilgpu;

internal readonly struct Wgmma256 : IWgmmaShape
{
    public static int TileN => 256;

    public static bool TransposeA => false;

    public static bool AcrossB => false;

    public static void Begin() => CudaAsm.Emit("peft.begin.256;");

    public static void Multiply(int offsetA, int offsetB) => CudaAsm.Emit("peft.multiply.256.nn %0, %1;", offsetA, offsetB);

    public static void Store(long address, int rows, int columns, long eightRows, float alpha, int accumulate) =>
        CudaAsm.Emit("peft.store.256 %0, %1, %2, %3, %4, %5;", address, rows, columns, eightRows, alpha, accumulate);
}

internal readonly struct Wgmma256AcrossB : IWgmmaShape
{
    public static int TileN => 256;

    public static bool TransposeA => false;

    public static bool AcrossB => true;

    public static void Begin() => CudaAsm.Emit("peft.begin.256;");

    public static void Multiply(int offsetA, int offsetB) => CudaAsm.Emit("peft.multiply.256.nt %0, %1;", offsetA, offsetB);

    public static void Store(long address, int rows, int columns, long eightRows, float alpha, int accumulate) =>
        CudaAsm.Emit("peft.store.256 %0, %1, %2, %3, %4, %5;", address, rows, columns, eightRows, alpha, accumulate);
}

internal readonly struct Wgmma256TransposedA : IWgmmaShape
{
    public static int TileN => 256;

    public static bool TransposeA => true;

    public static bool AcrossB => false;

    public static void Begin() => CudaAsm.Emit("peft.begin.256;");

    public static void Multiply(int offsetA, int offsetB) => CudaAsm.Emit("peft.multiply.256.tn %0, %1;", offsetA, offsetB);

    public static void Store(long address, int rows, int columns, long eightRows, float alpha, int accumulate) =>
        CudaAsm.Emit("peft.store.256 %0, %1, %2, %3, %4, %5;", address, rows, columns, eightRows, alpha, accumulate);
}

internal readonly struct Wgmma256TransposedAAcrossB : IWgmmaShape
{
    public static int TileN => 256;

    public static bool TransposeA => true;

    public static bool AcrossB => true;

    public static void Begin() => CudaAsm.Emit("peft.begin.256;");

    public static void Multiply(int offsetA, int offsetB) => CudaAsm.Emit("peft.multiply.256.tt %0, %1;", offsetA, offsetB);

    public static void Store(long address, int rows, int columns, long eightRows, float alpha, int accumulate) =>
        CudaAsm.Emit("peft.store.256 %0, %1, %2, %3, %4, %5;", address, rows, columns, eightRows, alpha, accumulate);
}

internal readonly struct Wgmma128 : IWgmmaShape
{
    public static int TileN => 128;

    public static bool TransposeA => false;

    public static bool AcrossB => false;

    public static void Begin() => CudaAsm.Emit("peft.begin.128;");

    public static void Multiply(int offsetA, int offsetB) => CudaAsm.Emit("peft.multiply.128.nn %0, %1;", offsetA, offsetB);

    public static void Store(long address, int rows, int columns, long eightRows, float alpha, int accumulate) =>
        CudaAsm.Emit("peft.store.128 %0, %1, %2, %3, %4, %5;", address, rows, columns, eightRows, alpha, accumulate);
}

internal readonly struct Wgmma128AcrossB : IWgmmaShape
{
    public static int TileN => 128;

    public static bool TransposeA => false;

    public static bool AcrossB => true;

    public static void Begin() => CudaAsm.Emit("peft.begin.128;");

    public static void Multiply(int offsetA, int offsetB) => CudaAsm.Emit("peft.multiply.128.nt %0, %1;", offsetA, offsetB);

    public static void Store(long address, int rows, int columns, long eightRows, float alpha, int accumulate) =>
        CudaAsm.Emit("peft.store.128 %0, %1, %2, %3, %4, %5;", address, rows, columns, eightRows, alpha, accumulate);
}

internal readonly struct Wgmma128TransposedA : IWgmmaShape
{
    public static int TileN => 128;

    public static bool TransposeA => true;

    public static bool AcrossB => false;

    public static void Begin() => CudaAsm.Emit("peft.begin.128;");

    public static void Multiply(int offsetA, int offsetB) => CudaAsm.Emit("peft.multiply.128.tn %0, %1;", offsetA, offsetB);

    public static void Store(long address, int rows, int columns, long eightRows, float alpha, int accumulate) =>
        CudaAsm.Emit("peft.store.128 %0, %1, %2, %3, %4, %5;", address, rows, columns, eightRows, alpha, accumulate);
}

internal readonly struct Wgmma128TransposedAAcrossB : IWgmmaShape
{
    public static int TileN => 128;

    public static bool TransposeA => true;

    public static bool AcrossB => true;

    public static void Begin() => CudaAsm.Emit("peft.begin.128;");

    public static void Multiply(int offsetA, int offsetB) => CudaAsm.Emit("peft.multiply.128.tt %0, %1;", offsetA, offsetB);

    public static void Store(long address, int rows, int columns, long eightRows, float alpha, int accumulate) =>
        CudaAsm.Emit("peft.store.128 %0, %1, %2, %3, %4, %5;", address, rows, columns, eightRows, alpha, accumulate);
}
