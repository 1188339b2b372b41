using System;
using System.Collections.Immutable;
using ILGPU.Runtime;
using ILGPU.Util;

namespace ILGPU
{
    public sealed class Context : DisposeBase
    {
        private Context() { }

        public static extern string Version { get; }
        public extern ImmutableArray<Device> Devices { get; }

        public static extern Context Create(Action<Builder> buildingCallback);

        public sealed class Builder
        {
            internal Builder() { }

            public extern Builder Optimize(OptimizationLevel level);
        }
    }

    public enum OptimizationLevel
    {
        O0 = 0,
        O1 = 1,
    }

    public static class AlgorithmContext
    {
        public static extern Context.Builder EnableAlgorithms(this Context.Builder builder);
    }

    public sealed class InternalCompilerException : Exception
    {
    }

    public sealed class CapabilityNotSupportedException : Exception
    {
        public extern CapabilityNotSupportedException(string message);
    }
}

namespace ILGPU.Util
{
    public abstract class DisposeBase : IDisposable
    {
        public extern void Dispose();
    }
}
