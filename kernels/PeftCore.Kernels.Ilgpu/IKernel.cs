namespace PeftCore.Kernels.Ilgpu;

/// <summary>One GPU kernel: a type rather than a method, so that launchers find the compiled form by it and generic kernels need no
/// reflection. All arguments travel in one struct.</summary>
internal interface IKernel<TArgs> where TArgs : struct
{
    /// <summary>What one thread does.</summary>
    static abstract void Run(TArgs args);
}
