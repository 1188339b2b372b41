using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Lessons;

/// <summary>Exercise 2: the bytes that a stack of layers keeps for backward.</summary>
public static class SavedBytesCheck
{
    /// <summary>Compares the answer with the tape for several choices of trained layers.</summary>
    /// <param name="args">The arguments of the program.</param>
    /// <param name="saved">Bytes saved by layers h ← (h·Wᵀ)², given the bytes of one h and which layers train.</param>
    public static int Run(string[] args, Func<long, bool[], long> saved) => Check.Run(args, "02-saved-tensors",
        "the bytes are those of the tape, for every choice of layers", () =>
        {
            const int Rows = 64, Width = 128, Layers = 4;
            using var backend = new CpuBackend(1);
            for (int mask = 0; mask < 1 << Layers; mask++)
            {
                using var scope = new TensorScope();
                using var tape = new Tape();
                bool[] trains = [.. Enumerable.Range(0, Layers).Select(i => (mask >> i & 1) == 1)];
                var h = backend.Zeros([Rows, Width]);
                foreach (bool isTrained in trains)
                {
                    var w = backend.Zeros([Width, Width]);
                    h = h.Linear(isTrained ? w.TrackGradient() : w);
                    h *= h;
                }
                long answer = saved(Rows * Width * sizeof(float), trains);
                string choice = string.Join(", ", trains.Select(isTrained => isTrained ? "trains" : "frozen"));
                Check.That(answer == tape.SavedBytes,
                    $"layers {choice}: the tape keeps {tape.SavedBytes:N0} bytes, the answer is {answer:N0}");
            }
        });
}
