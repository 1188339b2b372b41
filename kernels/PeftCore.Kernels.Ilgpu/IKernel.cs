namespace PeftCore.Kernels.Ilgpu;

/// <summary>A GPU kernel. It is a type rather than a method, so that launchers find its compiled form by type, and generic kernels need no
/// reflection. One struct holds all arguments.</summary>
internal interface IKernel<TArgs> where TArgs : struct
{
    /// <summary>The work of one thread.</summary>
    static abstract void Run(TArgs args);
}
