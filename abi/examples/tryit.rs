fn main() {
    let f = std::env::args().nth(1).unwrap();
    let d = std::fs::read(&f).unwrap();
    let t = std::time::Instant::now();
    let b = linux_driver_abi::btf::Btf::open(&d, &f).unwrap();
    let t1 = t.elapsed();
    let s=linux_driver_abi::model::Scope{types:"device_driver pci_driver pci_device_id bus_type device pci_dev dev_pm_ops module attribute_group miscdevice file_operations mutex spinlock_t completion work_struct".split(' ').map(String::from).collect(),functions:vec!["memcpy".into(),"pci_unregister_driver".into(),"_printk".into(),"kvfree_call_rcu".into()]};
    let a = linux_driver_abi::btf::extract(&b, &s).unwrap();
    eprintln!("{t1:?} {:?} types {} ids {}", t.elapsed(), a.types.len(), b.len());
    println!("{}", serde_json::to_string_pretty(&a).unwrap());
}
