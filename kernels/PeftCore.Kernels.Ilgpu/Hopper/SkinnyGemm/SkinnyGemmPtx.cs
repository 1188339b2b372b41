using System.Globalization;
using System.Text;

namespace PeftCore.Kernels.Ilgpu.Hopper.SkinnyGemm;

/// <summary>
/// Writes the macros of <see cref="SkinnyGemmKernel"/> as PTX: copies by cp.async into the warp's own ring in shared memory, fragments by
/// ldmatrix, m16n8k16 products. Rows of 64 columns are 128 bytes whose 16-byte chunks are swizzled by the row's last three bits, so that
/// ldmatrix reads them without bank conflicts, transposed or not; skinny rows are 32 bytes whose two chunks are exchanged in every other
/// four rows. Registers rs hold the right product (rows × skinny), cs the left product (skinny × columns).
/// </summary>
internal sealed class SkinnyGemmPtx(SkinnyGemmShape shape)
{
    private const int Steps = SkinnyGemmShape.Columns / 16; // of 16 columns

    private int Tiles => shape.Tiles;

    /// <summary>Expands the macros in ILGPU's PTX.</summary>
    public string Expand(string ptx) => PtxMacros.Expand(ptx, Write);

    private bool Write(StringBuilder text, string[] name, string[] a)
    {
        switch (name[0])
        {
            case "begin": Begin(text); break;
            case "griddep_wait": text.Append("griddepcontrol.wait;\n"); break;
            case "rows": Copy(text, a, 4, 4 * 128, swizzled: true); break;
            case "left": Copy(text, a, 1, 0, swizzled: false); break;
            case "right": CopyRight(text, a); break;
            case "commit": text.Append("cp.async.commit_group;\n"); break;
            case "ready": Add(text, $"cp.async.wait_group {shape.Stages - 2};\nbar.warp.sync 0xFFFFFFFF;\n"); break;
            case "multiply": Multiply(text, a); break;
            case "stage_right": StageFragments(text, shape.ReductionAt, a[0], "rs", 2 * Tiles); break;
            case "drain": text.Append("cp.async.wait_group 0;\nbar.sync 0;\n"); break;
            case "stage_left": StageFragments(text, 0, "0", "cs", 8 * Tiles); break;
            case "reduce" when name[1] == "right": ReduceRight(text, a); break;
            case "reduce": ReduceLeft(text, a); break;
            default: return false;
        }
        return true;
    }

    private void Begin(StringBuilder text)
    {
        Add(text, $".reg .u32 sbase, mine, rowsAt, leftAt, rightAt, keepAt;\n.reg .b32 xa<4>, xb<4>, la<{4 * Tiles}>, ra<4>;\n");
        Add(text, $".reg .f32 rs<{8 * Tiles}>, cs<{32 * Tiles}>;\n");
        Add(text, $"mov.u32 sbase, {PtxMacros.Shared};\nadd.u32 sbase, sbase, 1023;\nand.b32 sbase, sbase, 0xFFFFFC00;\n");
        text.Append("{\n.reg .u32 lane, warp, row, half, at;\nmov.u32 lane, %tid.x;\nshr.u32 warp, lane, 5;\nand.b32 lane, lane, 31;\n");
        Add(text, $"mad.lo.u32 mine, warp, {shape.Stages * shape.StageBytes}, sbase;\n");
        // Lanes 0-15 address the rows of the first eight columns, lanes 16-31 those of the next eight.
        text.Append("and.b32 row, lane, 15;\nshr.u32 half, lane, 4;\nand.b32 at, row, 7;\nxor.b32 at, at, half;\nshl.b32 at, at, 4;\n" +
            "mad.lo.u32 rowsAt, row, 128, at;\n");
        SkinnyOffset(text, "rightAt");
        Add(text, $"mad.lo.u32 rightAt, warp, {Tiles * 64 * 32}, rightAt;\nadd.u32 rightAt, rightAt, sbase;\n");
        Add(text, $"add.u32 rightAt, rightAt, {shape.RightAt};\n");
        // ldmatrix transposes here, so lanes 8-15 address the next skinny columns and lanes 16-31 the next rows.
        text.Append("and.b32 row, lane, 7;\nshr.u32 at, lane, 4;\nmad.lo.u32 row, at, 8, row;\nshr.u32 half, lane, 3;\n" +
            "and.b32 half, half, 1;\n");
        SkinnyOffset(text, "leftAt");
        Add(text, $"add.u32 leftAt, leftAt, {SkinnyGemmShape.WarpTileBytes};\nmad.lo.u32 keepAt, lane, 16, sbase;\n}}\n");
        for (int i = 0; i < 32 * Tiles; i++)
        {
            Add(text, $"mov.f32 cs{i}, 0f00000000;\n");
        }
        text.Append("griddepcontrol.launch_dependents;\n");
    }

    private static void SkinnyOffset(StringBuilder text, string name) =>
        Add(text, $"shr.u32 at, row, 2;\nand.b32 at, at, 1;\nxor.b32 at, at, half;\nshl.b32 at, at, 4;\nmad.lo.u32 {name}, row, 32, at;\n");

    // Arguments: offset in the warp's ring, global address, rows left from the thread's first, bytes from one of the thread's rows to the
    // next, an address that can always be read.
    private static void Copy(StringBuilder text, string[] a, int passes, int apart, bool swizzled)
    {
        text.Append("{\n.reg .u32 to, other, size;\n.reg .u64 from, here;\n.reg .pred inside;\n");
        // The rows of a thread are four apart: the swizzle of every second one differs in bit 6.
        Add(text, $"add.u32 to, mine, {a[0]};\nxor.b32 other, to, {(swizzled ? 64 : 0)};\nmov.u64 from, {a[1]};\n");
        for (int i = 0; i < passes; i++)
        {
            Add(text, $"setp.gt.s32 inside, {a[2]}, {4 * i};\nselp.b32 size, 16, 0, inside;\nselp.b64 here, from, {a[4]}, inside;\n");
            string at = i % 2 == 0 ? "to" : "other";
            Add(text, $"cp.async.{(swizzled ? "cg" : "ca")}.shared.global [{at}+{i * apart}], [here], 16, size;\n");
            if (i + 1 < passes)
            {
                Add(text, $"add.u64 from, from, {a[3]};\n");
            }
        }
        text.Append("}\n");
    }

    // Arguments: offset in the panels of R, global address, rows left from the thread's first, bytes to its next row 16 below, an address
    // that can always be read.
    private void CopyRight(StringBuilder text, string[] a)
    {
        text.Append("{\n.reg .u32 to, size;\n.reg .u64 from, here;\n.reg .pred inside;\n");
        Add(text, $"add.u32 to, sbase, {a[0]};\nadd.u32 to, to, {shape.RightAt};\nmov.u64 from, {a[1]};\n");
        for (int i = 0; i < Steps; i++)
        {
            Add(text, $"setp.gt.s32 inside, {a[2]}, {16 * i};\nselp.b32 size, 16, 0, inside;\nselp.b64 here, from, {a[4]}, inside;\n");
            Add(text, $"cp.async.ca.shared.global [to+{i * 512}], [here], 16, size;\nadd.u64 from, from, {a[3]};\n");
        }
        text.Append("}\n");
    }

    // Argument: offset of the stage in the warp's ring.
    private void Multiply(StringBuilder text, string[] a)
    {
        Add(text, $"{{\n.reg .u32 at, x, x0;\nadd.u32 at, mine, {a[0]};\nadd.u32 x0, at, rowsAt;\n");
        if (shape.Left)
        {
            text.Append("add.u32 at, at, leftAt;\n");
            for (int t = 0; t < Tiles; t++)
            {
                Matrices(text, true, "la", 4 * t, "at", SkinnyGemmShape.LeftBytes * t);
            }
        }
        for (int i = 0; shape.Right && i < 8 * Tiles; i++)
        {
            Add(text, $"mov.f32 rs{i}, 0f00000000;\n");
        }
        for (int k = 0; k < Steps; k++)
        {
            Add(text, $"xor.b32 x, x0, {32 * k};\n");
            if (shape.Right)
            {
                Matrices(text, false, "xa", 0, "x", 0);
            }
            if (shape.Left)
            {
                Matrices(text, true, "xb", 0, "x", 0);
            }
            for (int t = 0; t < Tiles; t++)
            {
                if (shape.Right)
                {
                    Matrices(text, true, "ra", 0, "rightAt", (2048 * t) + (512 * k));
                    Product(text, "rs", 8 * t, "xa", 0, "ra", 0);
                    Product(text, "rs", (8 * t) + 4, "xa", 0, "ra", 2);
                }
                if (shape.Left)
                {
                    Product(text, "cs", (32 * t) + (8 * k), "la", 4 * t, "xb", 0);
                    Product(text, "cs", (32 * t) + (8 * k) + 4, "la", 4 * t, "xb", 2);
                }
            }
        }
        text.Append("}\n");
    }

    // Stores a warp's fragments to shared memory, four numbers a lane, from start + offset on; other threads reduce them.
    private void StageFragments(StringBuilder text, int start, string offset, string sums, int fragments)
    {
        Add(text, $"{{\n.reg .u32 at, warp;\nmov.u32 warp, %tid.x;\nshr.u32 warp, warp, 5;\n");
        Add(text, $"mad.lo.u32 at, warp, {512 * fragments}, keepAt;\nadd.u32 at, at, {offset};\n");
        for (int i = 0; i < fragments; i++)
        {
            Add(text, $"st.shared.v4.f32 [at+{start + (512 * i)}], ");
            Add(text, $"{{{sums}{4 * i}, {sums}{(4 * i) + 1}, {sums}{(4 * i) + 2}, {sums}{(4 * i) + 3}}};\n");
        }
        text.Append("}\n");
    }

    // Arguments: offset in shared memory, address of the upper row's sums, rows left from it, bytes to the row eight below.
    private void ReduceRight(StringBuilder text, string[] a)
    {
        Sum(text, a[0], shape.ReductionAt, shape.WarpColumns, 2 * Tiles * 512);
        text.Append(".reg .u64 to;\n.reg .pred inside;\n");
        Add(text, $"mov.u64 to, {a[1]};\nsetp.gt.s32 inside, {a[2]}, 0;\n@inside st.global.v2.f32 [to], {{s0, s1}};\n");
        Add(text, $"setp.gt.s32 inside, {a[2]}, 8;\nadd.u64 to, to, {a[3]};\n@inside st.global.v2.f32 [to], {{s2, s3}};\n}}\n");
    }

    // Arguments: offset in shared memory, address of the sums.
    private void ReduceLeft(StringBuilder text, string[] a)
    {
        Sum(text, a[0], 0, shape.WarpRows, shape.WarpColumns * 8 * Tiles * 512);
        Add(text, $".reg .u64 to;\nmov.u64 to, {a[1]};\nst.global.v4.f32 [to], {{s0, s1, s2, s3}};\n}}\n");
    }

    private static void Sum(StringBuilder text, string offset, int start, int count, int apart)
    {
        Add(text, $"{{\n.reg .u32 at;\n.reg .f32 s<4>, p<4>;\nadd.u32 at, sbase, {offset};\n");
        Add(text, $"ld.shared.v4.f32 {{s0, s1, s2, s3}}, [at+{start}];\n");
        for (int i = 1; i < count; i++)
        {
            Add(text, $"ld.shared.v4.f32 {{p0, p1, p2, p3}}, [at+{start + (i * apart)}];\nadd.f32 s0, s0, p0;\nadd.f32 s1, s1, p1;\n");
            Add(text, $"add.f32 s2, s2, p2;\nadd.f32 s3, s3, p3;\n");
        }
    }

    private static void Product(StringBuilder text, string sums, int s, string a, int i, string b, int j)
    {
        string to = string.Create(CultureInfo.InvariantCulture, $"{{{sums}{s}, {sums}{s + 1}, {sums}{s + 2}, {sums}{s + 3}}}");
        Add(text, $"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {to}, ");
        Add(text, $"{{{a}{i}, {a}{i + 1}, {a}{i + 2}, {a}{i + 3}}}, {{{b}{j}, {b}{j + 1}}}, {to};\n");
    }

    private static void Matrices(StringBuilder text, bool transposed, string to, int first, string at, int offset)
    {
        Add(text, $"ldmatrix.sync.aligned.m8n8.x4{(transposed ? ".trans" : "")}.shared.b16 ");
        Add(text, $"{{{to}{first}, {to}{first + 1}, {to}{first + 2}, {to}{first + 3}}}, [{at}+{offset}];\n");
    }

    private static void Add(StringBuilder text, FormattableString line) => text.Append(line.ToString(CultureInfo.InvariantCulture));
}
