using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Vision;

internal struct PatchArgs
{
    public ArrayView<float> Pixels, Patches;
    public int Channels, Height, Width, Size, Accumulate;
}

/// <summary>patches[b, i·across + j, (c, u, v)] = pixels[b, c, i·size + u, j·size + v]; a thread per element.</summary>
internal readonly struct ExtractPatches : IKernel<PatchArgs>
{
    public static void Run(PatchArgs args)
    {
        long item = Threads.Linear();
        if (item < args.Patches.Length)
        {
            int square = args.Size * args.Size, across = args.Width / args.Size, down = args.Height / args.Size;
            int columns = args.Channels * square, inside = (int)(item % columns);
            long patch = item / columns;
            int c = inside / square, u = inside % square / args.Size, v = inside % args.Size;
            int j = (int)(patch % across), i = (int)(patch / across % down);
            long b = patch / across / down;
            args.Patches[item] =
                args.Pixels[(((((b * args.Channels) + c) * args.Height) + (i * args.Size) + u) * args.Width) + (j * args.Size) + v];
        }
    }
}

/// <summary>pixels[b, c, y, x] (+)= that of the patch which has it, 0 in none; a thread per pixel.</summary>
internal readonly struct PlacePatches : IKernel<PatchArgs>
{
    public static void Run(PatchArgs args)
    {
        long item = Threads.Linear();
        if (item < args.Pixels.Length)
        {
            int across = args.Width / args.Size, down = args.Height / args.Size;
            int x = (int)(item % args.Width), y = (int)(item / args.Width % args.Height);
            long plane = item / args.Width / args.Height, b = plane / args.Channels;
            int c = (int)(plane % args.Channels), i = y / args.Size, j = x / args.Size;
            float value = 0;
            if (i < down && j < across)
            {
                long patch = ((b * down) + i) * across + j;
                value = args.Patches[(((((patch * args.Channels) + c) * args.Size) + (y % args.Size)) * args.Size) + (x % args.Size)];
            }

            args.Pixels[item] = args.Accumulate != 0 ? args.Pixels[item] + value : value;
        }
    }
}
