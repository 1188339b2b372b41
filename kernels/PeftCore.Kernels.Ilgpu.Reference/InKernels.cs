namespace ILGPU
{
    public static class Grid
    {
        public static extern int IdxX { get; }
        public static extern int IdxY { get; }
        public static extern int DimX { get; }
    }

    public static class Group
    {
        public static extern int IdxX { get; }
        public static extern int DimX { get; }

        public static extern void Barrier();
    }

    public static class Atomic
    {
        public static extern int Add(ref int target, int value);
    }

    public static class Warp
    {
        public static extern int WarpSize { get; }

        public static extern T Shuffle<T>(T variable, int sourceLane) where T : unmanaged;
        public static extern T ShuffleXor<T>(T variable, int laneMask) where T : unmanaged;
    }

    public static class SharedMemory
    {
        public static extern ArrayView<T> Allocate<T>(int extent) where T : unmanaged;
    }

    public static class Interop
    {
        public static extern float IntAsFloat(uint value);
        public static extern uint FloatAsInt(float value);
    }
}
