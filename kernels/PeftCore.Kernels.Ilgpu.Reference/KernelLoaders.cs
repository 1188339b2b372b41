using System;

namespace ILGPU.Runtime
{
    public static class KernelLoaders
    {
        public static extern Action<TIndex, T1, T2, T3> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3>(
            this Accelerator accelerator, Action<TIndex, T1, T2, T3> action)
            where TIndex : struct, IIndex
            where T1 : struct
            where T2 : struct
            where T3 : struct;
    }
}
