using System;

namespace ILGPU
{
    public readonly struct KernelConfig
    {
        public extern KernelConfig(int gridDimX, int gridDimY, int gridDimZ, int groupDimX, int groupDimY, int groupDimZ);
    }
}

namespace ILGPU.Runtime
{
    public readonly struct KernelSpecialization
    {
        public extern KernelSpecialization(int? maxNumThreadsPerGroup, int? minNumGroupsPerMultiprocessor);
    }

    public static class KernelLoaders
    {
        public static extern Action<AcceleratorStream, KernelConfig, T1> LoadKernel<T1>(this Accelerator accelerator, Action<T1> action)
            where T1 : struct;
    }
}
