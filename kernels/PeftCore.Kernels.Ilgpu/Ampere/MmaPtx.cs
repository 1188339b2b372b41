using System.Globalization;
using System.Text;

namespace PeftCore.Kernels.Ilgpu.Ampere;

/// <summary>The constants that <see cref="MmaPtx"/> writes into the kernel of a product on compute capability 8.0 and later.</summary>
/// <param name="TransposeA">A is stored (K, M).</param>
/// <param name="RowMajorB">B is stored (K, N), row-major: N is contiguous. Otherwise it is column-major.</param>
/// <param name="Bf16Result">The result is BF16 rather than F32.</param>
/// <param name="Store">The way in which the result is written.</param>
/// <param name="Int8">The operands are INT8, two numbers in the place of one BF16, with a scale for each row of A and of Bᵀ.</param>
internal readonly record struct MmaShape(bool TransposeA, bool RowMajorB, bool Bf16Result, ResultStore Store, bool Int8 = false)
{
    /// <summary>Rows and columns of a tile: four warps, each 64 × 64.</summary>
    public const int Tile = 128;

    /// <summary>Depth of a stage along K: 128 bytes of BF16.</summary>
    public const int Depth = 64;

    public const int Threads = 128;

    /// <summary>Thread blocks resident on a multiprocessor: the products of one overlap the waits of the other.</summary>
    public const int BlocksPerProcessor = 2;

    /// <summary>Stages in flight.</summary>
    public const int Stages = 3;

    /// <summary>Bytes that a warp reads of one operand in a stage: 64 rows or columns.</summary>
    public const int SquareBytes = 64 * Depth * 2;

    /// <summary>Bytes of one operand's part of a stage.</summary>
    public const int OperandBytes = 2 * SquareBytes;

    /// <summary>Dynamic shared memory of a thread block: a multiprocessor with 227 KiB holds two blocks, one with 99 KiB holds
    /// one.</summary>
    public const int SharedBytes = (Stages * 2 * OperandBytes) + 1024;
}

/// <summary>
/// Writes the macros of <see cref="MmaGemm{TLayout}"/> as PTX: operands by cp.async into rows of 128 bytes whose 16-byte chunks are
/// swizzled by the row's last three bits, fragments by ldmatrix, and m16n8k16 products. A warp's 4 × 8 fragments of sums are acc0 … acc127,
/// row by row.
/// </summary>
internal sealed class MmaPtx(MmaShape shape)
{
    private const string Bf16Product = "m16n8k16.row.col.f32.bf16.bf16.f32", Int8Product = "m16n8k32.row.col.s32.s8.s8.s32";
    private const int Rows = 4, Pairs = 4; // fragments of 16 rows of A, and of 16 columns of B, of a warp
    private static readonly string ProductFactor =
        string.Create(CultureInfo.InvariantCulture, $"0f{BitConverter.SingleToUInt32Bits(RowCodes.ProductFactor):X8}");

    private const int Last = (MmaShape.Depth / 16) - 1; // index of a stage's last 16 elements of K

    /// <summary>Expands the macros in ILGPU's PTX.</summary>
    public string Expand(string ptx) => PtxMacros.Expand(ptx, Write, target: "sm_80");

    private bool Write(StringBuilder text, string[] name, string[] a)
    {
        switch (name[0])
        {
            case "begin": Begin(text); break;
            case "tile": Copy(text, a, name[1] == "a" ? shape.TransposeA : shape.RowMajorB); break;
            case "first": First(text, a); break;
            case "multiply": Multiply(text, a); break;
            case "last": Products(text, Last); break;
            case "scale": Scale(text, a); break;
            case "store": Store(text, a); break;
            default: return false;
        }
        return true;
    }

    private void Begin(StringBuilder text)
    {
        Add(text, $".reg .{(shape.Int8 ? "b32" : "f32")} acc<128>;\n"); // INT8: whole numbers, until they are scaled.
        text.Append(".reg .u32 sbase, rowsA, rowsB, swizzleA<4>, swizzleB<4>;\n.reg .b32 fa<32>, fb<32>;\n");
        Add(text, $"mov.u32 sbase, {PtxMacros.Shared};\nadd.u32 sbase, sbase, 1023;\nand.b32 sbase, sbase, 0xFFFFFC00;\n");
        for (int i = 0; i < 128; i++)
        {
            Add(text, $"mov.f32 acc{i}, 0f00000000;\n");
        }
        text.Append("{\n.reg .u32 lane, warp, eighth, low, high, at;\nmov.u32 lane, %tid.x;\nshr.u32 warp, lane, 5;\n" +
            "and.b32 eighth, lane, 7;\n");
        text.Append("shr.u32 low, lane, 3;\nand.b32 low, low, 1;\nshr.u32 high, lane, 4;\nand.b32 high, high, 1;\n");
        // An m16k16 fragment of A: lanes address rows 0-7 and 8-15 at the first eight of K, then at the next eight. B: the first eight of K
        // and the next, then the next eight columns. The rows of an MN-major operand are those of K, and ldmatrix transposes them.
        Fragments(text, "A", "shr.u32 at, warp, 1;\n", shape.TransposeA ? "high" : "low", shape.TransposeA ? "low" : "high", 0);
        Fragments(text, "B", "and.b32 at, warp, 1;\n", shape.RowMajorB ? "low" : "high", shape.RowMajorB ? "high" : "low",
            MmaShape.OperandBytes);
        text.Append("}\n");
    }

    // One bit of the lane selects the next eight rows, another the next chunk.
    private static void Fragments(StringBuilder text, string name, string half, string row, string chunk, int offset)
    {
        text.Append(half);
        Add(text, $"mad.lo.u32 rows{name}, at, {MmaShape.SquareBytes}, sbase;\nadd.u32 rows{name}, rows{name}, {offset};\n");
        Add(text, $"mad.lo.u32 rows{name}, {row}, 1024, rows{name};\n");
        Add(text, $"mad.lo.u32 rows{name}, eighth, 128, rows{name};\nxor.b32 at, {chunk}, eighth;\nshl.b32 at, at, 4;\n");
        for (int i = 0; i < 4; i++)
        {
            Add(text, $"xor.b32 swizzle{name}{i}, at, {32 * i};\n");
        }
    }

    // Arguments: offset in shared memory, global address, rows left from the thread's first, bytes between rows. Rows beyond the last are
    // not read and become zero.
    private static void Copy(StringBuilder text, string[] a, bool mnMajor)
    {
        int rows = MmaShape.Threads / (mnMajor ? MmaShape.Tile / 8 : MmaShape.Depth / 8),
            passes = (mnMajor ? MmaShape.Depth : MmaShape.Tile) / rows;
        text.Append("{\n.reg .u32 to, size;\n.reg .u64 from;\n.reg .pred inside;\n");
        Add(text, $"add.u32 to, sbase, {a[0]};\nmov.u64 from, {a[1]};\n");
        for (int i = 0; i < passes; i++)
        {
            Add(text, $"setp.gt.s32 inside, {a[2]}, {i * rows};\nselp.b32 size, 16, 0, inside;\n");
            Add(text, $"cp.async.cg.shared.global [to+{i * rows * 128}], [from], 16, size;\nadd.u64 from, from, {a[3]};\n");
        }
        text.Append("}\n");
    }

    // Argument: offset of the stage whose first fragments are read.
    private void First(StringBuilder text, string[] a)
    {
        Addresses(text, a[0]);
        Read(text, 0);
        text.Append("}\n");
    }

    // Argument: offset of the stage. Reads all of its fragments but the first, and multiplies all but the last, each while the next are
    // read.
    private void Multiply(StringBuilder text, string[] a)
    {
        Addresses(text, a[0]);
        for (int k = 0; k < Last; k++)
        {
            Read(text, k + 1);
            Products(text, k);
        }
        text.Append("}\n");
    }

    private static void Addresses(StringBuilder text, string stage)
    {
        text.Append("{\n.reg .u32 atA<4>, atB<4>, stage;\n");
        for (int i = 0; i < 4; i++)
        {
            Add(text, $"add.u32 stage, rowsA, {stage};\nadd.u32 atA{i}, stage, swizzleA{i};\nadd.u32 stage, rowsB, {stage};\n");
            Add(text, $"add.u32 atB{i}, stage, swizzleB{i};\n");
        }
    }

    private void Products(StringBuilder text, int k)
    {
        for (int i = 0; i < Rows; i++)
        {
            for (int j = 0; j < 2 * Pairs; j++)
            {
                int c = (32 * i) + (4 * j), fa = Set(k) + (4 * i), fb = Set(k) + (2 * j);
                string sums = $"{{acc{c}, acc{c + 1}, acc{c + 2}, acc{c + 3}}}";
                string a = $"{{fa{fa}, fa{fa + 1}, fa{fa + 2}, fa{fa + 3}}}", b = $"{{fb{fb}, fb{fb + 1}}}";
                Add(text, $"mma.sync.aligned.{(shape.Int8 ? Int8Product : Bf16Product)} {sums}, {a}, {b}, {sums};\n");
            }
        }
    }

    // Fragments of successive parts of K use two sets of registers in turn.
    private static int Set(int k) => k % 2 * 16;

    private void Read(StringBuilder text, int k)
    {
        for (int i = 0; i < Rows; i++)
        {
            Matrices(text, "fa", Set(k) + (4 * i), "atA", shape.TransposeA, i, k);
            Matrices(text, "fb", Set(k) + (4 * i), "atB", shape.RowMajorB, i, k);
        }
    }

    private static void Matrices(StringBuilder text, string to, int first, string at, bool mnMajor, int fragment, int k)
    {
        string from = $"[{at}{(mnMajor ? fragment : k)}+{2048 * (mnMajor ? k : fragment)}]";
        string fragments = $"{{{to}{first}, {to}{first + 1}, {to}{first + 2}, {to}{first + 3}}}";
        Add(text, $"ldmatrix.sync.aligned.m8n8.x4{(mnMajor ? ".trans" : "")}.shared.b16 {fragments}, {from};\n");
    }

    // INT8: sums to F32, times the scales of their row and column and 1/127². Arguments: addresses of the scales of the thread's first row
    // and column, rows and columns left from there.
    private void Scale(StringBuilder text, string[] a)
    {
        if (!shape.Int8)
        {
            return;
        }
        Add(text, $"{{\n.reg .pred in;\n.reg .f32 column<{4 * Pairs}>, row<2>, scale, sum;\n");
        for (int j = 0; j < 2 * Pairs; j++)
        {
            for (int i = 0; i < 2; i++)
            {
                Add(text, $"setp.gt.s32 in, {a[3]}, {(8 * j) + i};\nmov.f32 column{(2 * j) + i}, 0f00000000;\n");
                Add(text, $"@in ld.global.nc.f32 column{(2 * j) + i}, [{a[1]}+{4 * ((8 * j) + i)}];\n");
            }
        }
        for (int i = 0; i < Rows; i++)
        {
            for (int half = 0; half < 2; half++)
            {
                Add(text, $"setp.gt.s32 in, {a[2]}, {(16 * i) + (8 * half)};\nmov.f32 row{half}, 0f00000000;\n");
                Add(text, $"@in ld.global.nc.f32 row{half}, [{a[0]}+{4 * ((16 * i) + (8 * half))}];\n");
            }
            for (int c = 0; c < 8 * Pairs; c++)
            {
                int of = (32 * i) + c;
                Add(text, $"cvt.rn.f32.s32 sum, acc{of};\nmul.rn.f32 scale, row{c / 2 % 2}, column{(c / 4 * 2) + (c % 2)};\n");
                Add(text, $"mul.rn.f32 sum, sum, scale;\nmul.rn.f32 sum, sum, {ProductFactor};\nmov.b32 acc{of}, sum;\n");
            }
        }
        text.Append("}\n");
    }

    // Arguments: those of ResultPtx.Elements, then alpha and whether to add. The warp's fragments are 16 rows apart.
    private void Store(StringBuilder text, string[] a)
    {
        text.Append("{\n.reg .u64 place;\n.reg .s32 left;\n.reg .pred plain;\n");
        Add(text, $"mov.u64 place, {a[0]};\nmov.s32 left, {a[1]};\nsetp.eq.s32 plain, {a[6]}, 0;\n");
        for (int i = 0; i < Rows; i++)
        {
            var results = new ResultPtx(64, 32 * i, shape.Bf16Result, shape.Store);
            string[] arguments = ["place", "left", .. a[2..5]];
            results.Scale(text, a[5]);
            Add(text, $"@plain bra WRITE{i};\n");
            results.Elements(text, arguments, add: true);
            Add(text, $"WRITE{i}:\n");
            results.Elements(text, arguments, add: false);
            Add(text, $"add.u64 place, place, {a[3]};\nadd.u64 place, place, {a[3]};\nsub.s32 left, left, 16;\n");
        }
        text.Append("}\n");
    }

    private static void Add(StringBuilder text, FormattableString line) => text.Append(line.ToString(CultureInfo.InvariantCulture));
}
