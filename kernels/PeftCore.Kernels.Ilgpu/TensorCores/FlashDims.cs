using ILGPU.Runtime.Cuda;

namespace PeftCore.Kernels.Ilgpu;

internal readonly struct Flash64 : IFlashDim
{
    public static int Dim => 64;

    public static void BeginForward() => CudaAsm.Emit("peft.flash.forward.64;");

    public static void BeginQueryGradient() => CudaAsm.Emit("peft.flash.queries.64;");

    public static void BeginKeyGradient() => CudaAsm.Emit("peft.flash.keys.64;");
}

internal readonly struct Flash128 : IFlashDim
{
    public static int Dim => 128;

    public static void BeginForward() => CudaAsm.Emit("peft.flash.forward.128;");

    public static void BeginQueryGradient() => CudaAsm.Emit("peft.flash.queries.128;");

    public static void BeginKeyGradient() => CudaAsm.Emit("peft.flash.keys.128;");
}
