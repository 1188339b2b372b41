using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Rows;

internal struct RopeArgs
{
    public HeadsView<Float32> Heads;
    public ArrayView<float> Cos, Sin;
    public ArrayView<int> Positions;
    public int Rows, Count, Half, TableRows, Interleaved, Inverse;
}

/// <summary>Rotates pairs of head elements in place; one thread per pair. A position outside the table gives NaN.</summary>
internal readonly struct Rope : IKernel<RopeArgs>
{
    public static void Run(RopeArgs args)
    {
        long item = Threads.Linear();
        int perRow = args.Count * args.Half;
        if (item >= (long)args.Rows * perRow)
        {
            return;
        }

        int r = (int)(item / perRow), rest = (int)(item % perRow);
        int h = rest / args.Half, i = rest % args.Half;
        int position = args.Positions[r];
        float c = float.NaN, s = float.NaN;
        if (position >= 0 && position < args.TableRows)
        {
            c = args.Cos[((long)position * args.Half) + i];
            s = args.Sin[((long)position * args.Half) + i];
        }

        s = args.Inverse != 0 ? -s : s;
        long head = args.Heads.At(r, h);
        long first = args.Interleaved != 0 ? head + (2 * i) : head + i;
        long second = args.Interleaved != 0 ? first + 1 : first + args.Half;
        float a = args.Heads.Data[first].Value, b = args.Heads.Data[second].Value;
        args.Heads.Data[first] = Float32.FromFloat((a * c) - (b * s));
        args.Heads.Data[second] = Float32.FromFloat((b * c) + (a * s));
    }
}
