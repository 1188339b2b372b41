using ILGPU.Runtime.Cuda;

namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

internal readonly struct Flash32 : IFlashDim, IFlashKeys
{
    public static int Dim => 32;

    public static bool Keys => true;

    public static bool Values => true;

    public static void BeginForward() => CudaAsm.Emit("peft.flash.forward.32;");

    public static void BeginQueryGradient() => CudaAsm.Emit("peft.flash.queries.32;");

    public static void BeginKeyGradient() => CudaAsm.Emit("peft.flash.keys.32;");
}

internal readonly struct Flash64 : IFlashDim, IFlashKeys
{
    public static int Dim => 64;

    public static bool Keys => true;

    public static bool Values => true;

    public static void BeginForward() => CudaAsm.Emit("peft.flash.forward.64;");

    public static void BeginQueryGradient() => CudaAsm.Emit("peft.flash.queries.64;");

    public static void BeginKeyGradient() => CudaAsm.Emit("peft.flash.keys.64;");
}

internal readonly struct Flash80 : IFlashDim, IFlashKeys
{
    public static int Dim => 80;

    public static bool Keys => true;

    public static bool Values => true;

    public static void BeginForward() => CudaAsm.Emit("peft.flash.forward.80;");

    public static void BeginQueryGradient() => CudaAsm.Emit("peft.flash.queries.80;");

    public static void BeginKeyGradient() => CudaAsm.Emit("peft.flash.keys.80;");
}

internal readonly struct Flash96 : IFlashDim, IFlashKeys
{
    public static int Dim => 96;

    public static bool Keys => true;

    public static bool Values => true;

    public static void BeginForward() => CudaAsm.Emit("peft.flash.forward.96;");

    public static void BeginQueryGradient() => CudaAsm.Emit("peft.flash.queries.96;");

    public static void BeginKeyGradient() => CudaAsm.Emit("peft.flash.keys.96;");
}

internal readonly struct Flash128 : IFlashDim, IFlashKeys
{
    public static int Dim => 128;

    public static bool Keys => true;

    public static bool Values => true;

    public static void BeginForward() => CudaAsm.Emit("peft.flash.forward.128;");

    public static void BeginQueryGradient() => CudaAsm.Emit("peft.flash.queries.128;");

    public static void BeginKeyGradient() => CudaAsm.Emit("peft.flash.keys.128;");
}

internal readonly struct Flash256 : IFlashDim
{
    public static int Dim => 256;

    public static void BeginForward() => CudaAsm.Emit("peft.flash.forward.256;");

    public static void BeginQueryGradient() => CudaAsm.Emit("peft.flash.queries.256;");
}

/// <summary>Keys alone: at this dimension the sums for keys and for values do not fit the registers together.</summary>
internal readonly struct Flash256Keys : IFlashKeys
{
    public static int Dim => 256;

    public static bool Keys => true;

    public static bool Values => false;

    public static void BeginKeyGradient() => CudaAsm.Emit("peft.flash.keys.256;");
}

internal readonly struct Flash256Values : IFlashKeys
{
    public static int Dim => 256;

    public static bool Keys => false;

    public static bool Values => true;

    public static void BeginKeyGradient() => CudaAsm.Emit("peft.flash.values.256;");
}
