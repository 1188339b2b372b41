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
        }
    }
}

namespace ILGPU.Util
{
    public abstract class DisposeBase : IDisposable
    {
        public extern void Dispose();
    }
}
